#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#ifndef CONNECT_MS  /* tests are in a hurry */
#define CONNECT_MS 2000
#define SILENCE_MS 10000
#define TOTAL_MS 120000
#endif
#define RETRY_MS 100
enum { MAX_ENV = 64 << 10, MAX_ANSWER = 4 << 20 };

#define DEFAULT_SOCKET "/run/secnet/cni.sock"
#define SOCKET_LINK "secnet-cni.sock"

static struct sockaddr_un agent = {.sun_family = AF_UNIX};
static char reason[256] = "";

const char *agent_socket(void) { return agent.sun_path; }
const char *agent_problem(void) { return reason; }

bool agent_has_place(void)
{
    char path[sizeof agent.sun_path + 1] = "";
    memcpy(path, agent.sun_path, sizeof agent.sun_path);
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return true;
    *slash = '\0';
    return access(path, F_OK) == 0 || errno != ENOENT;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return false;
}

static bool find_agent(void)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - sizeof SOCKET_LINK);
    if (len > 0) {
        path[len] = '\0';
        char *slash = strrchr(path, '/');
        strcpy(slash ? slash + 1 : path, SOCKET_LINK);
        len = readlink(path, agent.sun_path, sizeof agent.sun_path);
    }
    if (len == (ssize_t)sizeof agent.sun_path) {
        agent.sun_path[sizeof agent.sun_path - 1] = '\0';
        return fail("%s leads to a path that is too long for a socket", path);
    }
    if (len <= 0)
        strcpy(agent.sun_path, DEFAULT_SOCKET);
    return true;
}

/* A connection; while the agent is being replaced, its socket is away for a moment. */
static int connect_agent(bool patient)
{
    int64_t deadline = now_ms() + CONNECT_MS;
    for (;;) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) {
            fail("socket: %s", strerror(errno));
            return -1;
        }
        if (connect(fd, (struct sockaddr *)&agent, sizeof agent) == 0)
            return fd;
        int why = errno;
        close(fd);
        bool full = why == EAGAIN;  /* the agent's backlog */
        bool away = why == ENOENT || why == ECONNREFUSED;
        if (!(full || (patient && away)) || now_ms() + RETRY_MS > deadline) {
            fail("connect: %s", full ? "too many calls wait for it" : strerror(why));
            return -1;
        }
        poll(NULL, 0, RETRY_MS);
    }
}

static bool wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int64_t left = deadline - now_ms();
        int ready = poll(&p, 1, left > 0 ? (int)left : 0);
        if (ready > 0)
            return true;
        if (ready == 0)
            return fail("it sent no keepalive in time");
        if (errno != EINTR)
            return fail("poll: %s", strerror(errno));
    }
}

static bool send_all(int fd, struct span data, int64_t deadline)
{
    while (data.len) {
        if (!wait_for(fd, POLLOUT, deadline))
            return false;
        ssize_t sent = send(fd, data.at, data.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR && errno != EAGAIN)
            return fail("send: %s", strerror(errno));
        if (sent > 0) {
            data.at += sent;
            data.len -= (size_t)sent;
        }
    }
    return true;
}

static bool receive_all(int fd, void *target, size_t len, int64_t deadline)
{
    for (char *at = target; len;) {
        if (!wait_for(fd, POLLIN, deadline))
            return false;
        ssize_t got = recv(fd, at, len, 0);
        if (got == 0)
            return fail("it closed the connection without an answer");
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return fail("receive: %s", strerror(errno));
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
    return true;
}

static bool send_request(int fd, struct span input, int64_t deadline)
{
    static char environment[MAX_ENV];
    size_t used = 0;
    for (char **variable = environ; *variable; variable++) {
        size_t len = strlen(*variable) + 1;
        if (strncmp(*variable, "CNI_", 4) != 0)
            continue;
        if (len > sizeof environment - used)
            return fail("the variables CNI_* are longer than %d bytes", MAX_ENV);
        memcpy(environment + used, *variable, len);
        used += len;
    }
    uint32_t lengths[2] = {htonl((uint32_t)used), htonl((uint32_t)input.len)};
    return send_all(fd, (struct span){"SCN1", 4}, deadline) &&
           send_all(fd, (struct span){(char *)lengths, sizeof lengths}, deadline) &&
           send_all(fd, (struct span){environment, used}, deadline) && send_all(fd, input, deadline);
}

/* The agent's answer; false when there is none. */
bool agent_ask(struct span input, bool patient, struct span *answer, uint32_t *status)
{
    int64_t last = now_ms() + TOTAL_MS, deadline = now_ms() + SILENCE_MS;
    int fd = find_agent() ? connect_agent(patient) : -1;
    if (fd < 0 || !send_request(fd, input, deadline))
        return false;
    char mark;
    while (receive_all(fd, &mark, 1, deadline) && mark == '.')
        deadline = now_ms() + SILENCE_MS < last ? now_ms() + SILENCE_MS : last;
    if (reason[0])
        return false;
    uint32_t head[2];
    if (mark != 'A' || !receive_all(fd, head, sizeof head, deadline) || ntohl(head[1]) > MAX_ANSWER)
        return reason[0] ? false : fail("its answer is not understood: is the agent of another version?");
    static char buffer[MAX_ANSWER];
    *status = ntohl(head[0]);
    *answer = (struct span){buffer, ntohl(head[1])};
    return receive_all(fd, buffer, answer->len, deadline);
}
