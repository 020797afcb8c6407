"""What axe-core finds on a page that a screen reader, a keyboard or weak eyes would stumble over."""

HARD = {"serious", "critical"}


def violations(page, colours=True, impacts=HARD, within=None):
    """Lines "rule: element: what is wrong" of the rules that the page in a browser breaks.

    Without `colours` contrast is not looked at: on a long page that takes longer than all other rules.
    """
    from axe_playwright_python.sync_playwright import Axe

    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": colours}}}
    found = Axe().run(page, context=within, options=options).response["violations"]
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))}: {' '.join(node['failureSummary'].split()[4:])}"
        for rule in found
        if rule["impact"] in impacts
        for node in rule["nodes"]
    ]
