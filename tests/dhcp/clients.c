/* tests/dhcp/clients.c: messages as real clients write them, and a writer of messages for tests. */
#include "tests/dhcp/clients.h"

#include "core/wire.h"

const struct client_msg client_discovers[CLIENT_KIND_COUNT] = {
	[CLIENT_UDHCPC] = { .name = "udhcpc",
			    .xid = 0x2f5c1a07,
			    .mac = { 0x52, 0x54, 0, 0, 0, 1 },
			    OPTIONS("\x35\x01\x01"
				    "\x3d\x07\x01\x52\x54\x00\x00\x00\x01"
				    "\x39\x02\x02\x40"
				    "\x37\x07\x01\x03\x06\x0c\x0f\x1c\x2a"
				    "\x3c\x0d"
				    "udhcp 1.35.0\0"
				    "\xff") },
	[CLIENT_DHCLIENT] = { .name = "dhclient",
			      .xid = 0x8a2b6f11,
			      .mac = { 0x52, 0x54, 0, 0, 0, 2 },
			      OPTIONS("\x35\x01\x01"
				      "\x0c\x06"
				      "debian"
				      "\x37\x0d\x01\x1c\x02\x03\x0f\x06\x77\x0c\x2c\x2f\x1a\x79\x2a"
				      "\xff") },
	[CLIENT_DHCPCD] = { .name = "dhcpcd",
			    .xid = 0x5e0d9c42,
			    .mac = { 0x52, 0x54, 0, 0, 0, 3 },
			    OPTIONS("\x35\x01\x01"
				    "\x3d\x13\xff\x00\x00\x00\x03\x00\x01\x00\x01\x2c\x1d\xb2\x00\x52\x54\x00\x00\x00\x03"
				    "\x50\x00"
				    "\x74\x01\x01"
				    "\x39\x02\x05\xc0"
				    "\x3c\x0c"
				    "dhcpcd-9.4.1"
				    "\x91\x01\x01"
				    "\x37\x0e\x01\x79\x21\x03\x06\x0c\x0f\x1a\x1c\x2a\x33\x36\x3a\x3b"
				    "\xff") },
	[CLIENT_NETWORKD] = { .name = "systemd-networkd",
			      .xid = 0x71c3e8d5,
			      .mac = { 0x52, 0x54, 0, 0, 0, 4 },
			      OPTIONS("\x35\x01\x01"
				      "\x3d\x13\xff\xb6\x22\x0f\xeb\x00\x02\x00\x00\xab\x11\x3a\x5d\x0f\x21\x33\x01\x02\x03"
				      "\x37\x0a\x01\x03\x06\x0c\x0f\x1a\x21\x79\x77\x6c"
				      "\x39\x02\x02\x40"
				      "\x0c\x04"
				      "lab4"
				      "\xff") },
	[CLIENT_IPXE] = { .name = "iPXE",
			  .xid = 0x4b3a2910,
			  .mac = { 0x52, 0x54, 0, 0, 0, 5 },
			  OPTIONS("\x35\x01\x01"
				  "\x39\x02\x05\xc0"
				  "\x5d\x02\x00\x00"
				  "\x5e\x03\x01\x02\x01"
				  "\x3c\x20"
				  "PXEClient:Arch:00000:UNDI:002001"
				  "\x4d\x04"
				  "iPXE"
				  "\x37\x17\x01\x03\x06\x07\x0c\x0f\x11\x1a\x2b\x3c\x42\x43\x77\x80\x81\x82\x83\x84\x85\x86\x87\xaf\xcb"
				  "\xaf\x06\xb1\x01\x01\xeb\x01\x01"
				  "\x3d\x07\x01\x52\x54\x00\x00\x00\x05"
				  "\x61\x11\x00\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
				  "\xff") },
	[CLIENT_EDK2] = { .name = "EDK2 PXE",
			  .xid = 0x1234abcd,
			  .flags = DHCP4_FLAG_BROADCAST,
			  .mac = { 0x52, 0x54, 0, 0, 0, 6 },
			  OPTIONS("\x35\x01\x01"
				  "\x39\x02\x05\xc0"
				  "\x37\x23\x01\x02\x03\x04\x05\x06\x0c\x0d\x0f\x11\x12\x16\x17\x1c\x28\x29\x2a\x2b\x32\x33\x36\x3a\x3b"
				  "\x3c\x42\x43\x61\x80\x81\x82\x83\x84\x85\x86\x87"
				  "\x61\x11\x00\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f"
				  "\x5e\x03\x01\x03\x00"
				  "\x5d\x02\x00\x07"
				  "\x3c\x20"
				  "PXEClient:Arch:00007:UNDI:003000"
				  "\xff") },
	[CLIENT_EDK2_HTTP] = { .name = "EDK2 HTTP boot",
			       .xid = 0x1234abce,
			       .flags = DHCP4_FLAG_BROADCAST,
			       .mac = { 0x52, 0x54, 0, 0, 0, 7 },
			       OPTIONS("\x35\x01\x01"
				       "\x39\x02\x05\xc0"
				       "\x37\x08\x01\x03\x06\x0c\x0f\x36\x3c\x43"
				       "\x61\x11\x00\x30\x31\x32\x33\x34\x35\x36\x37\x38\x39\x3a\x3b\x3c\x3d\x3e\x3f"
				       "\x5e\x03\x01\x03\x00"
				       "\x5d\x02\x00\x10"
				       "\x3c\x21"
				       "HTTPClient:Arch:00016:UNDI:003000"
				       "\xff") },
};

size_t client_bytes(const struct client_msg *m, size_t min, uint8_t *buf)
{
	size_t len = DHCP4_OPTIONS_AT + m->options_len;

	memset(buf, 0, len > min ? len : min);
	buf[0] = DHCP4_BOOTREQUEST;
	buf[1] = 1;
	buf[2] = sizeof m->mac;
	store_be32(buf + 4, m->xid);
	store_be16(buf + 10, m->flags);
	store_be32(buf + 12, m->ciaddr);
	store_be32(buf + 24, m->giaddr);
	memcpy(buf + 28, m->mac, sizeof m->mac);
	store_be32(buf + DHCP4_HEAD_LEN, 0x63825363);
	memcpy(buf + DHCP4_OPTIONS_AT, m->options, m->options_len);
	return len > min ? len : min;
}
