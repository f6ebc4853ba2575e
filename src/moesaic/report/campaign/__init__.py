"""Campaigns: their page, and the audit of what they covered and which families pay."""
