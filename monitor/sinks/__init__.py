"""Where things go that are not alerts: metrics, dead letters, figures to InfluxDB."""
