"""Who gets in at the HTTP port: pure rules, the plugin's guard, passwords, limits, OIDC."""
