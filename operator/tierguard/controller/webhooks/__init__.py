"""The ValidatingWebhookConfiguration, and the admission policies beside it."""
