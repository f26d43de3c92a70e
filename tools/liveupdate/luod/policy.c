// SPDX-License-Identifier: GPL-2.0-only
/*
 * luod.conf: who may create which sessions.
 *
 *	allow user NAME|UID PATTERN [max=N]
 *	allow group NAME|GID PATTERN [max=N]
 *	allow any PATTERN [max=N]
 *
 * The first rule that fits is the one that counts. Root may always; what no rule
 * allows is refused. An error anywhere refuses the whole file: half of a policy is
 * another policy.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luod.h"

#define POLICY_DEFAULT_MAX	64
#define POLICY_MAX_SIZE		65536

/* A number, all of @text; -EINVAL otherwise. */
static int policy_number(const char *text, unsigned long max, uint32_t *number)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value > max)
		return -EINVAL;
	*number = value;
	return 0;
}

static int policy_user(const char *text, uint32_t *id)
{
	struct passwd *user;

	if (!text[strspn(text, "0123456789")])
		return policy_number(text, UINT32_MAX - 1, id);
	user = getpwnam(text);
	if (!user)
		return -ENOENT;
	*id = user->pw_uid;
	return 0;
}

static int policy_group(const char *text, uint32_t *id)
{
	struct group *group;

	if (!text[strspn(text, "0123456789")])
		return policy_number(text, UINT32_MAX - 1, id);
	group = getgrnam(text);
	if (!group)
		return -ENOENT;
	*id = group->gr_gid;
	return 0;
}

static int policy_subject(char **save, struct policy_rule *rule)
{
	const char *word = strtok_r(NULL, " \t", save);
	const char *who;

	if (!word)
		return -EINVAL;
	if (!strcmp(word, "any")) {
		rule->subject = POLICY_ANY;
		return 0;
	}
	who = strtok_r(NULL, " \t", save);
	if (!who)
		return -EINVAL;
	if (!strcmp(word, "user")) {
		rule->subject = POLICY_USER;
		return policy_user(who, &rule->id);
	}
	if (!strcmp(word, "group")) {
		rule->subject = POLICY_GROUP;
		return policy_group(who, &rule->id);
	}
	return -EINVAL;
}

static int policy_parse_line(char *line, struct policy *policy)
{
	struct policy_rule rule = { .max = POLICY_DEFAULT_MAX };
	char *save, *word;
	int ret;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, " \t", &save);
	if (!word)
		return 0;
	if (strcmp(word, "allow"))
		return -EINVAL;
	ret = policy_subject(&save, &rule);
	if (ret)
		return ret;
	word = strtok_r(NULL, " \t", &save);
	if (!word || strlen(word) >= sizeof(rule.pattern))
		return -EINVAL;
	memcpy(rule.pattern, word, strlen(word));
	word = strtok_r(NULL, " \t", &save);
	if (word && (strncmp(word, "max=", 4) ||
		     policy_number(word + 4, LUOD_MAX_SESSIONS, &rule.max) || !rule.max))
		return -EINVAL;
	if (strtok_r(NULL, " \t", &save))
		return -EINVAL;
	if (policy->count == LUOD_MAX_RULES)
		return -E2BIG;
	policy->rules[policy->count++] = rule;
	return 0;
}

/*
 * policy_parse - read a policy
 *
 * Return: 0; or -EINVAL, -ENOENT for a user or group that is not there, -E2BIG or
 * -ENOMEM, and @line says where. @policy is then of no use.
 */
int policy_parse(const char *text, struct policy *policy, unsigned int *line)
{
	char *copy = strdup(text), *at = copy, *next;
	int ret = copy ? 0 : -ENOMEM;

	memset(policy, 0, sizeof(*policy));
	*line = 0;
	while (!ret && at && *at) {
		next = strchr(at, '\n');
		if (next)
			*next++ = '\0';
		++*line;
		ret = policy_parse_line(at, policy);
		at = next;
	}
	free(copy);
	return ret;
}

static int policy_read(const char *path, char *text)
{
	ssize_t got;
	struct stat st;
	int fd, ret = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		ret = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_uid || st.st_mode & 022)
		/* Whoever could write it would be root for us. */
		ret = -EPERM;
	got = ret ? 0 : read(fd, text, POLICY_MAX_SIZE);
	if (got < 0)
		ret = -errno;
	else if (got == POLICY_MAX_SIZE)
		ret = -EFBIG;
	else
		text[got] = '\0';
	close(fd);
	if (!ret && strlen(text) != (size_t)got)
		ret = -EINVAL;
	return ret;
}

/* policy_load - read a file; if that fails @policy stays what it was */
int policy_load(const char *path, struct policy *policy)
{
	struct policy *fresh = malloc(sizeof(*fresh));
	char *text = malloc(POLICY_MAX_SIZE);
	unsigned int line = 0;
	int ret = fresh && text ? policy_read(path, text) : -ENOMEM;

	if (!ret)
		ret = policy_parse(text, fresh, &line);
	if (!ret)
		*policy = *fresh;
	if (ret)
		log_line(LOG_ERROR, "event=config file=%s line=%u error=%s", path, line,
			 log_errno(ret));
	else
		log_line(LOG_INFO, "event=config file=%s rules=%u", path, policy->count);
	free(text);
	free(fresh);
	return ret;
}

static bool policy_is(const struct policy_rule *rule, const struct peer *peer)
{
	unsigned int i;

	if (rule->subject == POLICY_ANY)
		return true;
	if (rule->subject == POLICY_USER)
		return rule->id == peer->uid;
	for (i = 0; i < peer->ngroups; i++)
		if (peer->groups[i] == rule->id)
			return true;
	return false;
}

unsigned int policy_allows(const struct policy *policy, const struct peer *peer, const char *name)
{
	const struct policy_rule *rule;
	unsigned int i;

	if (!strcmp(name, LUOD_SESSION))
		return 0;
	if (!peer->uid)
		return LUOD_MAX_SESSIONS;
	for (i = 0; i < policy->count; i++) {
		rule = &policy->rules[i];
		if (policy_is(rule, peer) && !fnmatch(rule->pattern, name, 0))
			return rule->max;
	}
	return 0;
}
