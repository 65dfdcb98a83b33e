"""Reads delivery status notifications (RFC 3464)."""


class Dsn:
    def __init__(self, captured):
        self.captured = captured
        message = captured.parsed()
        assert message.get_content_type() == "multipart/report", message.get_content_type()
        self.subject = message["Subject"]
        self.message = message
        self.parts = list(message.iter_parts())
        assert len(self.parts) in (2, 3), self.parts
        self.plain = " ".join(self.parts[0].get_content().split())  # unwrapped
        status = self.parts[1]
        assert status.get_content_type() == message.get_param("report-type") or \
            status.get_content_subtype() == message.get_param("report-type"), status
        self.about_message, *self.about_recipients = status.get_payload()

    def recipient(self, address):
        """The fields about one recipient."""
        [found] = [fields for fields in self.about_recipients
                   if fields["Final-Recipient"].split(";", 1)[1].strip() == address]
        return found
