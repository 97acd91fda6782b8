"""The measures of the assessment benchmark, deliberately separate from the assessor's own word lists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tasks.evaluation.measures import Said, even, words

_PRODUCT_LIST = (
    "tomcat apache nginx iis oracle mssql mysql postgres postgresql sqlite mongodb redis ldap ldaps"
    " kerberos ssl tls https sftp ftp ssh scp vpn dns dhcp nfs samba smb cups grub grub2 lilo kernel"
    " xorg x11 xserver xfree86 gdm kdm lightdm gnome kde kubuntu xubuntu lubuntu ubuntu debian"
    " windows vista xp linux android ios iphone ipod edge chrome firefox opera outlook exchange excel"
    " word office teams zoom citrix vmware virtualbox qemu wine docker vagrant lxc java jdk jre jboss"
    " weblogic websphere php php5 python perl golang gcc cmake eclipse netbeans apt apt-get aptitude"
    " synaptic dpkg pip alsa pulseaudio audacity vlc totem xine mplayer rhythmbox amarok compiz beryl"
    " nvidia ati intel radeon broadcom atheros ndiswrapper wifi wireless bluetooth ethernet usb raid"
    " lvm mdadm ext3 ext4 ntfs fat32 fstab bios uefi secureboot grub-install dapper edgy feisty gutsy"
    " hardy intrepid jaunty karmic lucid maverick natty breezy hoary warty precise trusty xenial otp"
    " qr api sms pin atm swift iban war jar xml json pdf csv cpu ram sata log4j spring jquery"
    " weblogic activemq rabbitmq kafka symmetric gatepay dashboard otp smtp imap proxy firewall"
    " router switch dell hp lenovo toshiba acer sony canon epson brother xerox k3b kpackage icewm"
    " fbdev evtouch evdev medibuntu mediatomb xmms bmp irssi"
)
PRODUCTS = frozenset(_PRODUCT_LIST.split())
_COURTESY = re.compile(
    r"\b(?:dear|dears|greetings|hello|regards|thank you|thanks|kind reminder|has been assigned|hesitate)\b",
    re.I,
)


def product_names(text: str) -> set[str]:
    return set(words(text)) & PRODUCTS


def kept(wanted: Iterable[str], output: str) -> float | None:
    """The share of `wanted` found in `output`. None when nothing was wanted."""
    wanted, output = set(wanted), even(output)
    return sum(item in output for item in wanted) / len(wanted) if wanted else None


def recall(reference: str | None, output: str) -> float | None:
    """The share of the reference's distinct words of four letters and more that the output has."""
    wanted = {word for word in words(reference or "") if len(word) > 3 and not word.startswith("ph_")}
    return len(wanted & set(words(output))) / len(wanted) if len(wanted) >= 3 else None


def is_span(said: Said, texts: dict[str, str]) -> bool:
    """Return whether the statement stands word for word in one of its texts (an ellipsis may cut its ends)."""
    core = even(said.text).strip("… ")
    return any(core in even(texts.get(source, "")) for source in said.sources)


def is_supported(said: Said, texts: dict[str, str]) -> bool:
    """Return whether four fifths of its words stand in the texts it cites."""
    told = words(said.text)
    cited = {word for source in said.sources for word in words(texts.get(source, ""))}
    return bool(told) and sum(word in cited for word in told) / len(told) >= 0.8


def has_courtesy(text: str) -> bool:
    return bool(_COURTESY.search(text))


def statements(content: dict[str, Any]) -> list[Said]:
    """Everything in an assessment that claims a fact of the session."""
    items = [*content["what_we_know"], *content["do_not_repeat"]]
    items += [content["likely_cause"]] if content["likely_cause"] else []
    return [Said(item["text"], tuple(item["evidence"])) for item in items]
