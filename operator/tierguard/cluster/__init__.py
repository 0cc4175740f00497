"""Everything that talks to the API server: one small client, watched caches, server-side apply. No decisions here."""
