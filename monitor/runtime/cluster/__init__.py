"""Shards of a topic of Kafka, driven by Faust: any number of workers share its partitions."""
