"""tierguard keeps payment platforms on Kubernetes from being broken by change."""

__version__ = "0.1.0"
