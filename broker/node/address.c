/* address.c - the address of a client, which the door gives as text, in the bytes that an envelope
 * has for it (InetAddress.getAddress). Pure. */
#include "node/internal.h"
#include <arpa/inet.h>

#define V4_BYTES 4
#define V6_BYTES 16

/* "127.0.0.1:4242", "[::1]:4242"; what is none, such as a node's name, is nowhere: 0.0.0.0. */
size_t broker_peer_address(const char *peer, uint8_t out[BROKER_ADDRESS_MAX])
{
    struct endpoint at;
    memset(out, 0, BROKER_ADDRESS_MAX);
    if (!broker_parse_address(bytes_text(peer), &at))
        return V4_BYTES;
    if (inet_pton(AF_INET6, at.host, out) == 1)
        return V6_BYTES;
    if (inet_pton(AF_INET, at.host, out) != 1)
        memset(out, 0, V4_BYTES);
    return V4_BYTES;
}
