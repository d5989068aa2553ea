"""What runs segments of steps: `local.LocalExecutor` in this process, `process.ProcessExecutor` in one of its own."""
