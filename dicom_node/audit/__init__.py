"""The audit trail for others: DICOM audit messages (PS3.15 A.5) and syslog over TLS."""
