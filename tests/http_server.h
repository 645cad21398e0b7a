/* A small HTTP server on 127.0.0.1 in a thread of the test: files from memory, with Range or without it, and the
 * failures of real servers on demand. */
#ifndef CY_TESTS_HTTP_SERVER_H
#define CY_TESTS_HTTP_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct http_server {
  const char *name; /* the one file, at /files/<name> */
  const unsigned char *content;
  size_t length;
  bool ranges;          /* honours Range: bytes=N- */
  int drops;            /* so many next answers break off after drop_after bytes */
  size_t drop_after;
  int requests, ranged; /* seen; of these, with a Range header */
  int listener;
  uint16_t port;
  pthread_t thread;
} http_server;

static void http_send(int fd, const void *bytes, size_t n) {
  for (const char *p = bytes; n;) {
    ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
    if (sent <= 0) return;
    p += sent;
    n -= (size_t)sent;
  }
}

static void http_answer(http_server *s, int fd) {
  char request[4096], path[256] = "", head[256];
  size_t got = 0, start = 0;
  while (got < sizeof request - 1) {
    ssize_t n = recv(fd, request + got, sizeof request - 1 - got, 0);
    if (n <= 0) return;
    got += (size_t)n;
    request[got] = 0;
    if (strstr(request, "\r\n\r\n")) break;
  }
  s->requests++;
  const char *range = strstr(request, "Range: bytes=");
  s->ranged += range != NULL;
  if (sscanf(request, "GET /files/%255s ", path) != 1 || strcmp(path, s->name) != 0) {
    static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnone";
    http_send(fd, missing, sizeof missing - 1);
    return;
  }
  if (range && s->ranges) start = (size_t)strtoull(range + strlen("Range: bytes="), NULL, 10);
  if (start > s->length || (start == s->length && start)) {
    snprintf(head, sizeof head, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    http_send(fd, head, strlen(head));
    return;
  }
  size_t n = s->length - start;
  if (range && s->ranges)
    snprintf(head, sizeof head, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %zu-%zu/%zu\r\n"
             "Content-Length: %zu\r\nConnection: close\r\n\r\n", start, s->length - 1, s->length, n);
  else
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", n);
  http_send(fd, head, strlen(head));
  if (s->drops > 0) {
    s->drops--;
    if (n > s->drop_after) n = s->drop_after;
  }
  http_send(fd, s->content + start, n);
}

static void *http_serve(void *context) {
  http_server *s = context;
  for (;;) {
    int fd = accept(s->listener, NULL, NULL);
    if (fd < 0) return NULL; /* shut down */
    http_answer(s, fd);
    shutdown(fd, SHUT_WR);
    close(fd);
  }
}

/* False if no socket can be had. */
static bool http_start(http_server *s) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  s->listener = socket(AF_INET, SOCK_STREAM, 0);
  if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&address, size) != 0 || listen(s->listener, 8) != 0 ||
      getsockname(s->listener, (struct sockaddr *)&address, &size) != 0)
    return false;
  s->port = ntohs(address.sin_port);
  return pthread_create(&s->thread, NULL, http_serve, s) == 0;
}

static void http_stop(http_server *s) {
  shutdown(s->listener, SHUT_RDWR);
  pthread_join(s->thread, NULL);
  close(s->listener);
}

#endif
