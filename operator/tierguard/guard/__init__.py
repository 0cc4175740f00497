"""The decision engine: what kind of change is it, is it held, is the result sound. Pure: values in, values out.

Start at `decide.evaluate`. The rooms: `model` (what is read and said), `resources` (one module a guarded kind), `tiers`,
`freezes`, `rules`, `governance`, and `message` (what people read). Nothing here knows a clock, a cluster or a web server, so
the webhook, the operator's scan and the command line cannot disagree.
"""
