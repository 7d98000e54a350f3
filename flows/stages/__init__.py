"""What each stage does with one shard of its work, a module a stage.

Plain functions without Prefect: they take references to artifacts and give one back (`ShardResult`).
"""
