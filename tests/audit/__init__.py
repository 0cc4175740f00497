"""`make audit`: known vulnerabilities of what tierguard ships."""
