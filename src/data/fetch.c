/* Fetching a public data set, by libcurl: each file grows as <name>.part, which a later call continues, and becomes
 * <name> only after its SHA-256 agrees. Two processes do not write one part: it is locked. */
#include "cauchy_config.h"
#include "data/dataset.h"

#if CY_HAVE_CURL && CY_HAVE_NETTLE

#include "base/memory.h"
#include "data/checksum.h"
#include "io/atomic.h"

#include <cauchy/io.h>

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  DEFAULT_TIMEOUT = 30, /* seconds */
  CONTINUATIONS = 8,    /* of one transfer that keeps breaking off */
  REDIRECTS = 5,
};

typedef struct download {
  const cy_data_set *set;
  const cy_data_file *file;
  const cy_data_options *options;
  cy_data_progress progress;
  char *path, *part;
  int fd;          /* of part, locked */
  int64_t size;    /* of part */
  int64_t start;   /* size when this transfer began */
  int write_error; /* errno */
  bool cancelled, too_large;
} download;

static bool report(download *d, int64_t done, int64_t total) {
  d->progress.done = done;
  d->progress.total = total > 0 ? total : d->file->bytes;
  if (!d->cancelled && d->options->progress && !d->options->progress(&d->progress, d->options->user))
    d->cancelled = true;
  return !d->cancelled;
}

static bool report_checked(int64_t done, void *context) { return report(context, done, 0); }

/* ---- one transfer ---- */

static size_t on_data(char *bytes, size_t one, size_t n, void *context) {
  download *d = context;
  (void)one;
  d->too_large = d->file->bytes && (int64_t)n > d->file->bytes - d->size;
  for (size_t done = 0; done < n && !d->too_large;) {
    ssize_t written = write(d->fd, bytes + done, n - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      d->write_error = errno;
      return 0;
    }
    done += (size_t)written;
    d->size += written;
  }
  return d->too_large ? 0 : n;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now) {
  download *d = context;
  (void)now, (void)up_total, (void)up_now;
  return report(d, d->size, total > 0 ? d->start + total : 0) ? 0 : 1;
}

static CURLcode set_options(CURL *curl, download *d, const char *url, char error[CURL_ERROR_SIZE]) {
  const struct {
    CURLoption option;
    long value;
  } numbers[] = {
      {CURLOPT_NOSIGNAL, 1},          {CURLOPT_FAILONERROR, 1}, {CURLOPT_FOLLOWLOCATION, 1},
      {CURLOPT_MAXREDIRS, REDIRECTS}, {CURLOPT_NOPROGRESS, 0},  {CURLOPT_LOW_SPEED_LIMIT, 1},
      {CURLOPT_LOW_SPEED_TIME, d->options->timeout_seconds > 0 ? d->options->timeout_seconds : DEFAULT_TIMEOUT},
      {CURLOPT_CONNECTTIMEOUT, d->options->timeout_seconds > 0 ? d->options->timeout_seconds : DEFAULT_TIMEOUT},
  };
  CURLcode code = CURLE_OK;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !code; i++)
    code = curl_easy_setopt(curl, numbers[i].option, numbers[i].value);
  if (!code) code = curl_easy_setopt(curl, CURLOPT_URL, url);
#if LIBCURL_VERSION_NUM >= 0x075500
  if (!code) code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  if (!code) code = curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
  if (!code) code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  if (!code) code = curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  if (!code) code = curl_easy_setopt(curl, CURLOPT_USERAGENT, "cauchy/" CY_VERSION);
  if (!code) code = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  if (!code) code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
  if (!code) code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, d);
  if (!code) code = curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  if (!code) code = curl_easy_setopt(curl, CURLOPT_XFERINFODATA, d);
  if (!code && d->size) code = curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)d->size);
  return code;
}

static cy_status start_over(download *d) {
  if (ftruncate(d->fd, 0) != 0) return cy_fail(CY_IO, "%s: cannot empty: %s", d->part, strerror(errno));
  d->size = 0;
  return CY_OK;
}

static cy_status refused(const download *d, const char *url, const char *why) {
  if (d->size == 0) return cy_fail(CY_IO, "%s: cannot fetch %s: %s", d->set->name, url, why);
  return cy_fail(CY_IO, "%s: cannot fetch %s: %s (%lld bytes are kept in %s)", d->set->name, url, why,
                 (long long)d->size, d->part);
}

static cy_status unreachable(const download *d, const char *url, const char *why) {
  int folder = (int)(strrchr(d->path, '/') - d->path);
  return cy_fail(CY_IO, "%s: cannot reach %s: %s; if this machine is offline, put %s into %.*s by hand", d->set->name,
                 url, why, d->file->name, folder, d->path);
}

/* One request for what part lacks. *gained tells whether trying again makes sense. */
static cy_status transfer(download *d, const char *url, bool *gained) {
  char error[CURL_ERROR_SIZE] = "";
  long response = 0;
  CURL *curl = curl_easy_init();
  *gained = false;
  if (!curl) return cy_no_memory();
  d->start = d->size;
  CURLcode code = set_options(curl, d, url, error);
  if (!code) code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response);
  curl_easy_cleanup(curl);
  const char *why = error[0] ? error : curl_easy_strerror(code);
  if (d->cancelled) return cy_fail(CY_CANCELLED, "%s: fetching %s was cancelled after %lld bytes", d->set->name,
                                   d->file->name, (long long)d->size);
  if (d->write_error) return cy_fail(CY_IO, "%s: cannot write: %s", d->part, strerror(d->write_error));
  if (d->too_large) return cy_fail(CY_INVALID, "%s: %s sends more than the %lld bytes of %s", d->set->name, url,
                                   (long long)d->file->bytes, d->file->name);
  if (code == CURLE_OK && d->file->bytes && d->size < d->file->bytes) {
    *gained = d->size > d->start;
    return refused(d, url, "the connection ended early");
  }
  if (code == CURLE_OK) return CY_OK;
  if (d->start && (code == CURLE_RANGE_ERROR || response == 416)) { /* cannot continue: take all of it */
    CY_TRY(start_over(d));
    *gained = true;
  } else {
    *gained = d->size > d->start;
  }
  bool offline = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
                 code == CURLE_COULDNT_RESOLVE_PROXY;
  return offline ? unreachable(d, url, why) : refused(d, url, why);
}

/* ---- one file ---- */

static cy_status transfer_all(download *d, const char *base) {
  char *url = cy_join_path(base, d->file->name);
  cy_status status = url ? CY_OK : cy_no_memory();
  if (status == CY_OK && d->file->bytes && d->size > d->file->bytes) status = start_over(d);
  bool gained = true;
  for (int i = 0; i < CONTINUATIONS && gained && status == CY_OK; i++) {
    if (d->file->bytes && d->size == d->file->bytes) break;
    status = transfer(d, url, &gained);
    if (status != CY_IO || !gained) break;
    if (i + 1 < CONTINUATIONS) status = CY_OK; /* go on from where it broke off */
  }
  cy_free(url);
  return status;
}

static cy_status check(download *d, const char *path, bool *agrees, char text[CY_SHA256_TEXT]) {
  CY_TRY(cy_sha256_file(path, report_checked, d, text));
  *agrees = strcmp(text, d->file->sha256) == 0;
  return CY_OK;
}

/* A part begun earlier may stem from another version of the file, so a mismatch after continuing is tried once from
 * the start. What is wrong is emptied, not removed: the next address writes to the same open file. */
static cy_status fetch_from(download *d, const char *base) {
  char got[CY_SHA256_TEXT];
  bool agrees = false;
  for (;;) {
    bool continued = d->size > 0;
    CY_TRY(transfer_all(d, base));
    CY_TRY(check(d, d->part, &agrees, got));
    if (agrees) return cy_commit_file(d->part, d->path);
    CY_TRY(start_over(d));
    if (!continued) break;
  }
  return cy_fail(CY_INVALID, "%s: %s from %s has SHA-256 %s, expected %s; it was removed", d->set->name, d->file->name,
                 base, got, d->file->sha256);
}

static cy_status fetch_locked(download *d) {
  const char *const own[] = {d->options->base_url, NULL};
  const char *const *bases = d->options->base_url ? own : d->set->urls;
  cy_status status = CY_IO;
  for (int i = 0; bases[i]; i++) {
    status = fetch_from(d, bases[i]);
    if (status == CY_OK || status == CY_CANCELLED || status == CY_NO_MEMORY || d->write_error) return status;
    d->too_large = false;
    if (status == CY_INVALID && bases[i + 1]) CY_TRY(start_over(d));
  }
  return status;
}

static cy_status open_part(download *d) {
  struct stat info;
  d->fd = open(d->part, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (d->fd < 0) return cy_fail(CY_IO, "%s: cannot create: %s", d->part, strerror(errno));
  if (flock(d->fd, LOCK_EX | LOCK_NB) != 0)
    return cy_fail(CY_IO, "%s: another process is fetching this file", d->part);
  if (fstat(d->fd, &info) != 0) return cy_fail(CY_IO, "%s: %s", d->part, strerror(errno));
  d->size = info.st_size;
  return CY_OK;
}

static cy_status keep_present(download *d, bool *present) {
  char got[CY_SHA256_TEXT];
  struct stat info;
  bool agrees;
  *present = stat(d->path, &info) == 0;
  if (!*present) return CY_OK;
  CY_TRY(check(d, d->path, &agrees, got));
  if (agrees) return CY_OK;
  return cy_fail(CY_INVALID, "%s: is there, but its SHA-256 is %s, not the published %s; remove it to fetch it again",
                 d->path, got, d->file->sha256);
}

static cy_status fetch_file(download *d, const char *folder) {
  bool present;
  char part[512];
  if (snprintf(part, sizeof part, "%s.part", d->file->name) >= (int)sizeof part)
    return cy_fail(CY_INVALID, "%s: file name is too long", d->set->name);
  d->path = cy_join_path(folder, d->file->name);
  d->part = cy_join_path(folder, part);
  if (!d->path || !d->part) return cy_no_memory();
  CY_TRY(keep_present(d, &present));
  if (present) return CY_OK;
  CY_TRY(open_part(d));
  cy_status status = fetch_locked(d);
  if (status != CY_OK && d->size == 0) unlink(d->part);
  return status;
}

static cy_status fetch_all(const cy_data_set *set, const cy_data_options *options, const char *folder) {
  int count = 0;
  while (set->files[count].name) count++;
  for (int i = 0; i < count; i++) {
    download d = {.set = set, .file = &set->files[i], .options = options, .fd = -1,
                  .progress = {set->files[i].name, i + 1, count, 0, set->files[i].bytes}};
    cy_status status = fetch_file(&d, folder);
    if (d.fd >= 0) close(d.fd);
    cy_free(d.path);
    cy_free(d.part);
    if (status != CY_OK) return status;
  }
  return CY_OK;
}

cy_status cy_data_get(const cy_data_set *set, cy_data_options options) {
  char *own = NULL;
  if (!set->files) return CY_OK; /* embedded */
  if (!options.directory) {
    CY_TRY(cy_data_directory(&own));
    options.directory = own;
  }
  char *folder = cy_join_path(options.directory, set->name);
  cy_status status = folder ? cy_make_folders(folder) : cy_no_memory();
  if (status == CY_OK) status = fetch_all(set, &options, folder);
  cy_free(folder);
  cy_free(own);
  return status;
}

#else

cy_status cy_data_get(const cy_data_set *set, cy_data_options options) {
  (void)options;
  if (!set->files) return CY_OK;
  return cy_fail(CY_UNSUPPORTED, "%s: this build fetches nothing: it was made without %s", set->name,
                 CY_HAVE_CURL ? "nettle" : "libcurl");
}

#endif
