"""Letters before they are sent: uploads, drafts and approvals; sends nothing itself."""
