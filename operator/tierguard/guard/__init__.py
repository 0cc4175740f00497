"""The decision engine: what kind of change is it, is it held, is the result sound. Pure: values in, values out.

Start reading at `decide.evaluate`. Nothing here knows a clock, a cluster or a web server, so that the webhook, the
operator's scan and the command line cannot disagree.
"""
