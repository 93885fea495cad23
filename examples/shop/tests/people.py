ADA = {"name": "ada", "password": "correct horse"}
