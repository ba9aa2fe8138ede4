"""Restoring database files from their replica, with the standard library and the litestream binary alone.

It must work on a day when the program itself does not start, so nothing here imports anything else of it.
"""
