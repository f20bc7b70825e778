"""What a gateway does with more than it can do: `make bench-overload`, into docs/bench/overload.{json,md,png}.

The gateway is the real one, in a process of its own. Behind it stand scripted workers (loadtests/scripted_server.py)
whose every call takes the same time, so many at once: their capacity is known. Requests come as they come, whether
others have been answered or not (open loop, Poisson), and each counts from when it was due.
"""
