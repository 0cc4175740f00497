"""CronJobs of frozen operations."""
