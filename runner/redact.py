"""Keeps secrets out of what the runner shows: texts of other programs pass through here before anybody sees them."""

import re

_PATTERNS = (
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),  # AWS access key ids
    re.compile(r"\bpul-[0-9a-f]{40}\b"),  # Pulumi access tokens
    re.compile(r"(?i)(?<=://)[^/\s@]+(?=@)"),  # user:password or a token in a URL
    re.compile(
        r"(?i)(?P<name>(?:aws_secret_access_key|aws_session_token|x-amz-security-token|x-amz-signature|pulumi_access_token"
        r"|pulumi_config_passphrase|password|secret|token)[\"']?\s*[:=]\s*)"
        r"(?:\"(?:[^\"\\]|\\.){4,}\"|'[^']{4,}'|[\"']?[^\s\"',;&]{4,})"  # in quotes to the closing one, else one word
    ),
    re.compile(r"\bdapi[0-9a-f]{32}\b"),  # Databricks tokens
    re.compile(r"(?i)(?P<name>\b(?:bearer|basic)\s+)[\w.~+/=-]{20,}"),  # Authorization headers
)


def redact(text: str) -> str:
    """Replace what looks like a secret by ``[secret]``; names and everything else stay."""
    for pattern in _PATTERNS:
        text = pattern.sub(lambda match: match.groupdict().get("name", "") + "[secret]", text)
    return text
