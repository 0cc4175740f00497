"""`make bench`: what a review costs the webhook, how soon it is answered, and what it adds to a write.

`make bench BENCH="--only reviews"` measures a part; `--document FILE` writes Markdown, `--json FILE` figures. A peer that
somebody has started is measured with the same bodies in the same rounds: `--peer NAME=URL,PID`.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.document import Run, as_json, markdown
from tests.bench.machine import cores, described, pin_client_here
from tests.bench.sections import Effort, curve, open_loop, reviews
from tests.bench.targets import Target
from tests.bench.through import through_the_api_server

REVIEWS, OPEN_LOOP, CURVE, API_SERVER = "reviews", "open-loop", "curve", "api-server"
SECTIONS = (REVIEWS, OPEN_LOOP, CURVE, API_SERVER)


def peer(written: str) -> Target:
    """`NAME=URL,PID`, a webhook that somebody has started. Raises ArgumentTypeError for anything else."""
    name, equals, rest = written.partition("=")
    url, comma, pid = rest.rpartition(",")
    if not (name and equals and comma and url.startswith("https://") and pid.isdecimal()):
        message = f"{written!r} is no NAME=https://HOST:PORT/PATH,PID"
        raise argparse.ArgumentTypeError(message)
    if not Path(f"/proc/{pid}").is_dir():
        message = f"{written!r}: no process {pid}"
        raise argparse.ArgumentTypeError(message)
    return Target(name, url, int(pid))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=SECTIONS, help="measure this alone; may be repeated")
    parser.add_argument("--rounds", type=int, default=Effort.rounds)
    parser.add_argument("--reviews", type=int, default=Effort.reviews, help="a round and case")
    parser.add_argument("--seconds", type=float, default=Effort.seconds, help="of the steady rate")
    parser.add_argument("--updates", type=int, default=300, help="of each kind, through the API server")
    parser.add_argument("--peer", action="append", default=[], type=peer, metavar="NAME=URL,PID")
    parser.add_argument("--document", type=Path, metavar="FILE", help="write Markdown there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Measure."""
    options = parse(arguments)
    wanted = options.only or SECTIONS
    effort = Effort(options.rounds, options.reviews, options.seconds)
    run = Run(described(), rounds=effort.rounds, reviews_a_round=effort.reviews)
    if len(cores()) == 1:
        _say("There is one core: server and load share it, which makes every figure higher.")
    pin_client_here()
    with tempfile.TemporaryDirectory(prefix="tierguard-bench-") as made:
        directory = Path(made)
        if REVIEWS in wanted:
            _say("CPU time of reviews …")
            run.reviews = reviews(directory / REVIEWS, effort, options.peer)
        if OPEN_LOOP in wanted:
            _say("Latency at a steady rate …")
            run.latency = open_loop(directory / OPEN_LOOP, effort)
        if CURVE in wanted:
            _say("Among more and more that does not concern the workload …")
            run.curve = curve(directory / CURVE, effort)
    os.sched_setaffinity(0, run_on_all)
    if API_SERVER in wanted:
        _say("Through the API server …")
        run.through = through_the_api_server(options.updates)
    document = markdown(run)
    print(document)
    if options.document is not None:
        options.document.write_text(document, encoding="utf-8")
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(run), indent=2) + "\n", encoding="utf-8")
    return 0


run_on_all = frozenset(cores())
"""The cores that we began with."""


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
