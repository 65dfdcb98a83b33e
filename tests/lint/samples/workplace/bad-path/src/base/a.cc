// see /tmp/brief.md
