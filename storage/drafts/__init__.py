"""Letters before they are sent: uploads, drafts, approvals, limits of tokens."""
