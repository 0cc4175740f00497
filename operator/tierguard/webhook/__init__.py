"""The validating webhook: HTTP in, `Decision` out. Start reading at `app.Webhook`."""
