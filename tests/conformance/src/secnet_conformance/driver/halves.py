"""What the inventory says of an attachment that is there in part: after a failure or a death that may be all there is."""

from __future__ import annotations

from secnet.contract import Attachment, NetworkDriver, SecnetError
from secnet.linux.names import alias_for
from secnet.linux.rtnl import host_rtnl

from .lab import DriverLab

__all__ = ["files_of", "inventory_problem"]


def inventory_problem(lab: DriverLab, attachment: Attachment) -> str:
    """What is wrong with the inventory of a host where an attach or detach broke off; empty if nothing is.

    It does not raise, it finds a link that has the mark, and it calls nothing complete that `check` finds wanting.
    """
    driver = lab.driver()
    try:
        owned = {item.attachment.key: item for item in driver.inventory(lab.call()).owned}
    except Exception as exc:
        return f"the inventory raised {type(exc).__name__}: {exc}"
    found = owned.get(attachment.key)
    if found is None:
        marked = _marked(lab, attachment)
        return f"the inventory does not find {marked}, which has the mark" if marked else ""
    if found.complete and not _is_clean(lab, driver, attachment):
        return "the inventory calls complete what check finds wanting"
    return ""


def files_of(lab: DriverLab) -> set[str]:
    """What lies in the run directory."""
    folder = lab.context.run_dir
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _marked(lab: DriverLab, attachment: Attachment) -> str:
    """A link of the plan that is on the node and has the attachment's mark; a device may have it too, and goes by its link."""
    mark = alias_for(lab.context.owner_tag, attachment.key)
    with host_rtnl() as kernel:
        names = [link.name for link in kernel.links() if link.alias == mark]
    return next((name for name in names if name in attachment.names.values()), "")


def _is_clean(lab: DriverLab, driver: NetworkDriver, attachment: Attachment) -> bool:
    lab.up(attachment)
    try:
        lab.clean_check(driver, attachment)
    except (AssertionError, SecnetError):
        return False
    return True
