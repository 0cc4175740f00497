"""The load of `make bench`, in a process of its own: the request on standard input, a line of JSON on standard output."""

import json
import sys
import time

from tests.bench.__main__ import load

if __name__ == "__main__":
    port, authority, connections, reviews = sys.argv[1:]
    payload = sys.stdin.buffer.read()
    began = time.perf_counter()
    latencies = sorted(load(int(port), authority, payload, int(connections), int(reviews)))
    result = {
        "reviews": len(latencies),
        "seconds": time.perf_counter() - began,
        "p99": latencies[int(len(latencies) * 0.99)],
    }
    sys.stdout.write(json.dumps(result))
