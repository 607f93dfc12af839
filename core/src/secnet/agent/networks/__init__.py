"""From annotation and NetworkAttachmentDefinitions to attach requests."""
