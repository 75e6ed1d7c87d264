"""Techniques that see plain records: schedules, stopping, which weights are kept."""
