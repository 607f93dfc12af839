/* secnet-cni: the CNI plugin. It hands the call to the node's agent and prints the agent's answer.
 *
 * All rules of CNI live in the agent. What is decided here is what must be decided when no agent answers:
 *   VERSION  answered here, always                 STATUS  0 in a chain: a node is never NotReady because of us
 *   ADD      error 11; in a chain, Pods of the namespaces in `failOpenNamespaces` get what the plugin before us answered.
 *            Where the runtime hands a chained entry the Pod's annotations, a Pod without networks gets that at once, and the
 *            agent is never asked; for a Pod with networks the plugin waits for the agent
 *   DEL      0 in a chain: the agent sees by itself which sandboxes ended. Of one network only the caller knows that
 *            it ended, so error 11, unless no agent ever ran here: then there is nothing
 *   GC       0: it comes again                     CHECK   error 11
 * No agent means: no connection within 2 s, or no keepalive for 10 s, or no answer within 120 s; for a Pod that is known to
 * have networks: no connection within 180 s, or no answer within 210 s, unless the runtime is to read its configuration again.
 */
#include "agent.h"
#include "annotations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_STDIN = 4 << 20 };
enum { BAD_ENVIRONMENT = 4, IO_FAILURE = 5, UNDECODABLE = 6, TRY_AGAIN = 11, NOT_AVAILABLE = 50 };  /* CNI's codes */
enum { CNI_VERSION, TYPE, PREV_RESULT, PASS_NAMESPACES, RUNTIME_CONFIG, MEMBERS };

#define PASS_DEFAULT "kube-system"

static struct member conf[MEMBERS] = {
    {.key = "cniVersion"}, {.key = "type"}, {.key = "prevResult"}, {.key = "failOpenNamespaces"}, {.key = "runtimeConfig"}};

static void print_escaped(const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c >= 0x7f)
            printf("\\u%04x", c);
        else
            printf(c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
}

static bool is_ascii(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] >= 0x80)
            return false;
    return true;
}

/* The version of the request, as it stands there. One that is no ASCII is none, and might not even be UTF-8. */
static void print_version(void)
{
    struct span version = conf[CNI_VERSION].value;
    if (version.len && *version.at == '"' && is_ascii(version))
        printf("{\"cniVersion\":%.*s", (int)version.len, version.at);
    else
        printf("{\"cniVersion\":\"1.1.0\"");
}

static int error(int code, const char *msg, const char *details)
{
    print_version();
    printf(",\"code\":%d,\"msg\":\"", code);
    print_escaped(msg);
    printf("\",\"details\":\"");
    print_escaped(details);
    printf("\"}\n");
    return 1;
}

/* All of stdin; NULL, or what went wrong. */
static const char *read_stdin(struct span *text)
{
    static char buffer[MAX_STDIN + 1];  /* pages that nothing is written to cost nothing */
    size_t used = 0;
    for (;;) {
        ssize_t got = read(STDIN_FILENO, buffer + used, MAX_STDIN + 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return strerror(errno);
        used += (size_t)got;
        if (used > MAX_STDIN)
            return "it is longer than 4 MiB";
        if (got == 0)
            break;
    }
    *text = (struct span){buffer, used};
    return NULL;
}

/* Whether K8S_POD_NAMESPACE of CNI_ARGS is among the namespaces that never wait. */
static bool may_pass(void)
{
    static const char key[] = "K8S_POD_NAMESPACE=";
    struct span pass = conf[PASS_NAMESPACES].value;
    char namespace[256] = "";
    const char *args = getenv("CNI_ARGS");
    while (args && *args) {
        size_t len = strcspn(args, ";");
        if (strncmp(args, key, sizeof key - 1) == 0)
            snprintf(namespace, sizeof namespace, "%.*s", (int)(len - (sizeof key - 1)), args + sizeof key - 1);
        args += len + (args[len] == ';');
    }
    return namespace[0] && (pass.len ? json_array_has(pass, namespace) : strcmp(namespace, PASS_DEFAULT) == 0);
}

/* ADD in a chain changes nothing that the runtime sees: its result is that of the plugin before. */
static int pass_previous(void)
{
    struct span previous = conf[PREV_RESULT].value;
    if (previous.len && *previous.at == '{')
        return fwrite(previous.at, previous.len, 1, stdout) == 1 ? 0 : 1;
    print_version();
    printf("}\n");
    return 0;
}

static int without_agent(const char *command, bool chained)
{
    char msg[512];
    snprintf(msg, sizeof msg, "the secnet agent does not answer at %s: %s", agent_socket(), agent_problem());
    static const char hint[] = "see whether the agent's Pod runs on this node; the call is made again by itself";
    if (strcmp(command, "GC") == 0 || (strcmp(command, "DEL") == 0 && (chained || !agent_has_place())))
        return 0;
    if (strcmp(command, "ADD") == 0 && chained && may_pass()) {
        fprintf(stderr, "secnet-cni: %s; this Pod's namespace does not wait for it\n", msg);
        return pass_previous();
    }
    return error(strcmp(command, "STATUS") == 0 ? NOT_AVAILABLE : TRY_AGAIN, msg, hint);
}

static bool known(const char *command)
{
    static const char *const commands[] = {"ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(command, commands[i]) == 0)
            return true;
    return false;
}

static int run(void)
{
    struct span input = {NULL, 0}, answer = {NULL, 0};
    uint32_t status = 1;
    const char *command = getenv("CNI_COMMAND");
    if (!command || !known(command))
        return error(BAD_ENVIRONMENT, "CNI_COMMAND is missing or unknown", "this program is called by a container runtime");
    const char *problem = read_stdin(&input);
    if (problem)
        return error(IO_FAILURE, "stdin cannot be read", problem);
    bool valid = json_object(input, conf, MEMBERS), chained = !json_is(conf[TYPE].value, "secnet");
    if (strcmp(command, "VERSION") == 0) {
        print_version();
        printf(",\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n");
        return 0;
    }
    if (strcmp(command, "STATUS") == 0 && chained)
        return 0;
    if (!valid)
        return error(UNDECODABLE, "stdin is not one JSON object", "");
    bool add = strcmp(command, "ADD") == 0;
    enum request asked = add && chained ? pod_request(conf[RUNTIME_CONFIG].value) : UNKNOWN;
    if (asked == NOTHING)
        return pass_previous();
    enum patience patience = add || (strcmp(command, "DEL") == 0 && !chained) ? BRIEFLY : ONCE;
    if (asked == NETWORKS && !may_pass())
        patience = WAIT;
    if (!agent_ask(input, patience, &answer, &status))
        return without_agent(command, chained);
    if (answer.len)
        fwrite(answer.at, 1, answer.len, stdout);
    return (int)(status & 0xff);
}

int main(void)
{
    int status = run();
    return fflush(stdout) == 0 && !ferror(stdout) ? status : 1;
}
