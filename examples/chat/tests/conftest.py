import os
import secrets

os.environ["SESSION_SECRET"] = secrets.token_urlsafe(48)
os.environ.pop("REDIS_URL", None)
