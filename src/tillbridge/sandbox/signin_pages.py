"""What a person sees in the browser when signing in to the sandbox's Lightspeed."""

import html

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; max-width: 34em; margin: 3em auto }}</style></head>
<body><h1>{title}</h1>
{body}
</body></html>
"""


def sign_in(person: str, scope: str) -> str:
    """The form: one button to agree, one to refuse."""
    wanted = html.escape(scope or "all that this program may have")
    body = (
        f"<p>You are <b>{html.escape(person)}</b>. A program wants to read your sales: "
        f"<code>{wanted}</code>.</p>\n"
        '<form method="post"><button name="choice" value="yes">Sign in and agree</button> '
        '<button name="choice" value="no">Refuse</button></form>\n'
        "<p>This is the sandbox of tillbridge; nobody needs a password here. Without a browser, "
        "a POST to this very address is the first button.</p>"
    )
    return _PAGE.format(title="Sign in to Lightspeed", body=body)


def sorry(why: str) -> str:
    """The page where the server will not even redirect."""
    return _PAGE.format(title="We are sorry...", body=f"<p>{html.escape(why)}</p>")
