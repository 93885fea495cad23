"""A pipelined client for Redis: commands of concurrent callers share connections and round trips.

    connect      from a URL or a client of redis.asyncio to a client of this folder
    cluster      commands to the node that has the slot of their key
    single       commands to one node
    node         the queue of commands for one server, and its connections
    time_limit   time limits that disregard delays of this process
    handshake    opens a connection: TLS, credentials, database
    connection   commands in flight on one transport

The client does not depend on what is stored with it. redis-py parses URLs, finds the primary behind Sentinel, and
defines the exceptions. hiredis packs commands and reads answers.
"""

import kick.session.stores.redis.client.packages  # noqa: F401  # first, to name a package that is missing
