/* Sends UDP packets of 18 bytes of payload as fast as one core can, each in a frame of its own making (packet(7)).
 *
 * usage: source INTERFACE DESTINATION-MAC FROM TO PORT FLOWS FIRST COUNT [back]
 *
 * FLOWS is how many flows the packets take turns in, from flow number FIRST on; with as many flows as packets every
 * packet is a new connection to conntrack. Flows differ in the source port and in the low 16 bits of the address TO,
 * or with "back" of the address FROM. Prints what it sent, the nanoseconds of wall clock, and those of its own
 * thread. The kernel forwards within the send, so the thread's time is the whole of a packet's way.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, PAYLOAD = 18, ROOM = 128 };

static unsigned char frames[BATCH][ROOM];
static struct iovec pieces[BATCH];
static struct mmsghdr messages[BATCH];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static long long now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void checksum(struct iphdr *ip)
{
    unsigned sum = 0;
    const unsigned short *words = (const void *)ip;
    ip->check = 0;
    for (unsigned i = 0; i < sizeof *ip / 2; i++)
        sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    ip->check = ~(sum + (sum >> 16));
}

static int open_link(const char *name, unsigned char *mac)
{
    struct ifreq request = {0};
    struct sockaddr_ll link = {.sll_family = AF_PACKET};
    int one = 1;
    int sock = socket(AF_PACKET, SOCK_RAW, 0);
    if (sock < 0)
        die("socket");
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(sock, SIOCGIFHWADDR, &request) < 0)
        die(name);
    memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
    link.sll_ifindex = if_nametoindex(name);
    if (bind(sock, (void *)&link, sizeof link) < 0)
        die("bind");
    setsockopt(sock, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
    return sock;
}

/* Writes a frame without what differs from flow to flow, and returns its length. */
static size_t write_frame(unsigned char *frame, const char *const *argv, const unsigned char *mac)
{
    struct ether_header *ether = (void *)frame;
    struct udphdr udp = {.dest = htons(atoi(argv[5])), .len = htons(sizeof udp + PAYLOAD)}; /* no checksum */
    unsigned char *to = ether->ether_dhost;
    size_t header;
    if (sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", to, to + 1, to + 2, to + 3, to + 4, to + 5) != ETH_ALEN)
        die(argv[2]);
    memcpy(ether->ether_shost, mac, ETH_ALEN);
    if (strchr(argv[3], ':')) {
        struct ip6_hdr ip = {.ip6_flow = htonl(6U << 28), .ip6_plen = udp.len, .ip6_nxt = IPPROTO_UDP, .ip6_hlim = 64};
        if (inet_pton(AF_INET6, argv[3], &ip.ip6_src) + inet_pton(AF_INET6, argv[4], &ip.ip6_dst) != 2)
            die(argv[4]);
        ether->ether_type = htons(ETHERTYPE_IPV6);
        header = sizeof ip;
        memcpy(ether + 1, &ip, header);
    } else {
        struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
        ip.tot_len = htons(sizeof ip + sizeof udp + PAYLOAD);
        if (inet_pton(AF_INET, argv[3], &ip.saddr) + inet_pton(AF_INET, argv[4], &ip.daddr) != 2)
            die(argv[4]);
        ether->ether_type = htons(ETHERTYPE_IP);
        header = sizeof ip;
        memcpy(ether + 1, &ip, header);
    }
    memcpy(frame + sizeof *ether + header, &udp, sizeof udp);
    return sizeof *ether + header + sizeof udp + PAYLOAD;
}

static void set_flow(unsigned char *frame, unsigned flow, int back)
{
    unsigned short port = htons(1024 + (flow & 0x7fff)), low = htons(1 + (flow >> 15) % 60000);
    unsigned char *ip = frame + sizeof(struct ether_header);
    if (*ip >> 4 == 4) {
        memcpy(ip + (back ? 14 : 18), &low, sizeof low);
        checksum((void *)ip);
        memcpy(ip + sizeof(struct iphdr), &port, sizeof port);
    } else {
        memcpy(ip + (back ? 22 : 38), &low, sizeof low);
        memcpy(ip + sizeof(struct ip6_hdr), &port, sizeof port);
    }
}

int main(int argc, char **argv)
{
    unsigned char mac[ETH_ALEN];
    if (argc < 9)
        return 2;
    unsigned flows = atoi(argv[6]), first = atoi(argv[7]), count = atoi(argv[8]), sent = 0;
    int sock = open_link(argv[1], mac), back = argc > 9;
    for (int i = 0; i < BATCH; i++) {
        pieces[i].iov_base = frames[i];
        pieces[i].iov_len = write_frame(frames[i], (const char *const *)argv, mac);
        messages[i].msg_hdr.msg_iov = &pieces[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    long long wall = now(CLOCK_MONOTONIC), own = now(CLOCK_THREAD_CPUTIME_ID);
    while (sent < count) {
        for (unsigned i = 0; i < BATCH; i++)
            set_flow(frames[i], first + (sent + i) % flows, back);
        int done = sendmmsg(sock, messages, BATCH, 0);
        if (done < 0 && errno != ENOBUFS && errno != EINTR)
            die("sendmmsg");
        sent += done > 0 ? done : 0;
    }
    printf("%u %lld %lld\n", sent, now(CLOCK_MONOTONIC) - wall, now(CLOCK_THREAD_CPUTIME_ID) - own);
    return 0;
}
