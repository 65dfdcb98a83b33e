"""Metabases as IIS writes them, made for scenarios."""

import ipaddress
import struct
from xml.sax.saxutils import quoteattr


def element(kind, location, **attributes):
    lines = [f"<{kind}\tLocation =\"{location}\""]
    lines += [f"\t\t{name}={quoteattr(str(value))}" for name, value in sorted(attributes.items())]
    return "\r\n".join(lines) + f"\r\n\t>\r\n</{kind}>\r\n"


def service(**attributes):
    """What IIS's setup writes there, and more."""
    usual = {"MaxBatchedMessages": 20, "MaxOutConnections": 1000, "MaxOutConnectionsPerDomain": 100,
             "SmtpLocalDelayExpireMinutes": 720, "SmtpRemoteDelayExpireMinutes": 720,
             "RelayForAuth": 4294967295, "SmtpServiceVersion": 2}
    return element("IIsSmtpService", "/LM/SmtpSvc", **(usual | attributes))


def server(number, **attributes):
    usual = {"DefaultDomain": "local.example", "FullyQualifiedDomainName": "mx.local.example"}
    return element("IIsSmtpServer", f"/LM/SmtpSvc/{number}", **(usual | attributes))


def domain(number, name, **attributes):
    return element("IIsSmtpDomain", f"/LM/SmtpSvc/{number}/Domain/{name}", **attributes)


def metabase(*elements):
    return ("<?xml version =\"1.0\"?>\r\n<configuration "
            "xmlns=\"urn:microsoft-catalog:XML_Metabase_V64_0\">\r\n<MBProperty>\r\n"
            + "".join(elements) + "</MBProperty>\r\n</configuration>\r\n")


def ip_list(grant=(), deny=()):
    """IPSECLIST of networks: a group for each mask."""
    def groups(networks):
        found = {}
        for network in map(ipaddress.ip_network, networks):
            found.setdefault(network.netmask.packed, []).append(network.network_address.packed)
        return found
    denied, granted = groups(deny), groups(grant)
    header = 24 + 8 + 20 * len(denied) + 8 + 20 * len(granted) + 16
    lists, data = b"", b""
    for found in (denied, granted):
        lists += struct.pack("<II", len(found), sum(map(len, found.values())))
        for mask, addresses in found.items():
            lists += struct.pack("<IIIII", 2, len(addresses) + 1, 4, 0,
                                 0x80000000 | header + len(data))
            data += mask + b"".join(addresses)
    names = header - 16
    pointers = [24, 24 + 8 + 20 * len(denied), names, names + 8]
    head = struct.pack("<IIIIII", *(0x80000000 | pointer for pointer in pointers), 1, header)
    return (head + lists + bytes(16) + data).hex()
