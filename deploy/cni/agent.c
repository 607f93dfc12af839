#include "agent.h"
#include "configuration.h"

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
#define WAIT_MS 180000
#define WAIT_TOTAL_MS 210000
#define RECENT_S 15  /* plugins before this one may take as long */
#endif
#define RETRY_MS 100
#define REPEAT_MS 1000  /* after a request was received, and not answered */
enum { MAX_ENV = 64 << 10, MAX_ANSWER = 4 << 20 };

#define DEFAULT_SOCKET "/run/secnet/cni.sock"
#define SOCKET_LINK "secnet-cni.sock"

static struct sockaddr_un agent = {.sun_family = AF_UNIX};
static char reason[256] = "";

/* How long one call lasts, in ms of the monotonic clock. waits: silence does not end it, a changed configuration does. */
static struct { int64_t connect_by, answer_by; bool waits; uint64_t configuration; } limits;

/* What became of one attempt. AWAY: no process listens. FULL: too many calls wait. BROKEN: the request had no answer. */
enum outcome { ANSWERED, AWAY, FULL, BROKEN, REFUSED };

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

/* Whether the runtime is about to read its configuration again: it does so only when no plugin is at work any more, and starts
 * no Pod meanwhile. */
static bool configuration_changed(void)
{
    if (limits.configuration == configuration_look().mark)
        return false;
    fail("the runtime's CNI configuration changed; this Pod's next attempt waits again");
    return true;
}

/* A time to come is that of a clock which was set back, and says nothing. */
static bool is_recent(int64_t changed)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return changed <= t.tv_sec && t.tv_sec - changed < RECENT_S;
}

static enum outcome connect_agent(int *fd)
{
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0) {
        fail("socket: %s", strerror(errno));
        return REFUSED;
    }
    if (connect(*fd, (struct sockaddr *)&agent, sizeof agent) == 0)
        return ANSWERED;
    int why = errno;
    bool full = why == EAGAIN;  /* the agent's backlog */
    fail("connect: %s", full ? "too many calls wait for it" : strerror(why));
    close(*fd);
    return full ? FULL : why == ENOENT || why == ECONNREFUSED ? AWAY : REFUSED;
}

/* Until the agent is there, or has been silent for too long. */
static bool wait_for(int fd, short events, int64_t silent_by)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int64_t now = now_ms(), end = silent_by < limits.answer_by ? silent_by : limits.answer_by;
        int ready = poll(&p, 1, end > now ? (int)(end - now) : 0);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return fail("poll: %s", strerror(errno));
        if (ready < 0)
            continue;
        if (!limits.waits || now_ms() >= limits.answer_by)
            return fail("it sent no keepalive in time");
        if (configuration_changed())
            return false;
        silent_by = now_ms() + SILENCE_MS;  /* a stopped process may go on */
    }
}

static bool send_all(int fd, struct span data, int64_t silent_by)
{
    while (data.len) {
        if (!wait_for(fd, POLLOUT, silent_by))
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

static bool receive_all(int fd, void *target, size_t len, int64_t silent_by)
{
    for (char *at = target; len;) {
        if (!wait_for(fd, POLLIN, silent_by))
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

static bool send_request(int fd, struct span input, int64_t silent_by)
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
    return send_all(fd, (struct span){"SCN1", 4}, silent_by) &&
           send_all(fd, (struct span){(char *)lengths, sizeof lengths}, silent_by) &&
           send_all(fd, (struct span){environment, used}, silent_by) && send_all(fd, input, silent_by);
}

static enum outcome read_answer(int fd, struct span *answer, uint32_t *status)
{
    static char buffer[MAX_ANSWER];
    char mark;
    int64_t silent_by;
    do {
        silent_by = now_ms() + SILENCE_MS;
        if (!receive_all(fd, &mark, 1, silent_by))
            return BROKEN;
    } while (mark == '.');
    uint32_t head[2] = {0, 0};
    if (mark == 'A' && !receive_all(fd, head, sizeof head, silent_by))
        return BROKEN;
    if (mark != 'A' || ntohl(head[1]) > MAX_ANSWER) {
        fail("its answer is not understood: is the agent of another version?");
        return REFUSED;
    }
    *status = ntohl(head[0]);
    *answer = (struct span){buffer, ntohl(head[1])};
    return receive_all(fd, buffer, answer->len, silent_by) ? ANSWERED : BROKEN;
}

static enum outcome ask_once(struct span input, struct span *answer, uint32_t *status)
{
    int fd;
    enum outcome outcome = connect_agent(&fd);
    if (outcome != ANSWERED)
        return outcome;
    outcome = send_request(fd, input, now_ms() + SILENCE_MS) ? read_answer(fd, answer, status) : BROKEN;
    close(fd);
    return outcome;
}

/* The agent's answer; false when there is none. */
bool agent_ask(struct span input, enum patience patience, struct span *answer, uint32_t *status)
{
    int64_t start = now_ms();
    struct configuration found = patience == WAIT ? configuration_look() : (struct configuration){0, 0};
    bool recent = patience == WAIT && is_recent(found.changed);
    limits.waits = patience == WAIT && !recent;
    limits.configuration = found.mark;
    limits.connect_by = start + (limits.waits ? WAIT_MS : CONNECT_MS);
    limits.answer_by = start + (limits.waits ? WAIT_TOTAL_MS : TOTAL_MS);
    if (!find_agent())
        return false;
    for (;;) {
        enum outcome outcome = ask_once(input, answer, status);
        if (outcome == ANSWERED)
            return true;
        int pause = outcome == BROKEN ? REPEAT_MS : RETRY_MS;
        bool again = outcome == FULL || (outcome == AWAY && patience != ONCE) || (outcome == BROKEN && limits.waits);
        bool over = !again || now_ms() + pause > limits.connect_by;
        if (over && recent && outcome != REFUSED)
            return fail("the runtime's CNI configuration changed a moment ago; this Pod's next attempt waits");
        if (over || (limits.waits && configuration_changed()))
            return false;
        poll(NULL, 0, pause);
    }
}
