"""Prints the milliseconds of processor time that one password takes to verify with argon2-cffi, at the bench's cost."""

import time

from argon2 import PasswordHasher

TIMES = 15
hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
stored = hasher.hash("correct horse battery")
hasher.verify(stored, "correct horse battery")
began = time.process_time()
for _ in range(TIMES):
    hasher.verify(stored, "correct horse battery")
print((time.process_time() - began) / TIMES * 1000)
