"""Stand-ins for Salesforce, WHMCS and Freebit, for demonstrations and tests."""
