#include "data/times.h"

#include "io/csv.h"

#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- the Gregorian calendar, by H. Hinnant's days_from_civil and civil_from_days ---- */

static int64_t days_of(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2;
  int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
  int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day) {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
  int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
  *day = of_year - (153 * m + 2) / 5 + 1;
  *month = m < 10 ? m + 3 : m - 9;
  *year = y + era * 400 + (*month <= 2);
}

enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, FIELDS };

bool cy_time_of_fields(const double *given, int n, double *seconds) {
  static const double low[FIELDS] = {1, 1, 1, 0, 0, 0}, high[FIELDS] = {9999, 12, 31, 24, 59, 60.999};
  double f[FIELDS] = {1970, 1, 1, 0, 0, 0};
  int64_t year, month, day;
  for (int i = 0; i < n && i < FIELDS; i++) {
    if (!(given[i] >= low[i] && given[i] <= high[i]) || (i < SECOND && given[i] != floor(given[i]))) return false;
    f[i] = given[i];
  }
  int64_t days = days_of((int64_t)f[YEAR], (int64_t)f[MONTH], (int64_t)f[DAY]);
  date_of(days, &year, &month, &day); /* 30 February would come back as another day */
  if (month != (int64_t)f[MONTH] || day != (int64_t)f[DAY]) return false;
  *seconds = (double)days * 86400 + f[HOUR] * 3600 + f[MINUTE] * 60 + f[SECOND];
  return true;
}

/* ---- text ---- */

/* Digits, with a fraction if `fraction`; *at is behind them. */
static bool read_digits(const char **at, int most, bool fraction, double *value) {
  size_t n = strspn(*at, "0123456789"), length = n;
  if (n == 0 || n > (size_t)most) return false;
  if (fraction && (*at)[n] == '.') length += 1 + strspn(*at + n + 1, "0123456789");
  if (!cy_parse_number(*at, length, value)) return false;
  *at += length;
  return true;
}

/* "Z", "+01:00", "-0530" or nothing. */
static bool read_zone(const char *at, double *seconds) {
  double hours, minutes = 0;
  *seconds = 0;
  if (*at == 0 || strcmp(at, "Z") == 0) return true;
  double sign = *at == '-' ? -1 : 1;
  if ((*at != '+' && *at != '-') || strlen(at) < 3) return false;
  char pair[3] = {at[1], at[2], 0};
  const char *digits = pair, *rest = at + 3 + (at[3] == ':');
  if (!read_digits(&digits, 2, false, &hours) || *digits) return false;
  if (*rest && (!read_digits(&rest, 2, false, &minutes) || *rest)) return false;
  *seconds = sign * (hours * 3600 + minutes * 60);
  return true;
}

bool cy_parse_time(const char *text, double *seconds, bool *calendar) {
  const char *at = text;
  double f[FIELDS] = {0}, zone;
  int n = 3;
  *calendar = false;
  if (cy_parse_number(text, strlen(text), seconds)) return true;
  if (!read_digits(&at, 4, false, &f[YEAR]) || (*at != '-' && *at != '/')) return false;
  const char separator = *at++;
  if (!read_digits(&at, 2, false, &f[MONTH]) || *at++ != separator || !read_digits(&at, 2, false, &f[DAY]))
    return false;
  if (*at == 'T' || *at == ' ') do {
      at++;
      if (!read_digits(&at, 2, n == SECOND, &f[n])) return false;
      n++;
    } while (n < FIELDS && *at == ':');
  if (!read_zone(at, &zone) || !cy_time_of_fields(f, n, seconds)) return false;
  *seconds -= zone;
  return *calendar = true;
}

const char *cy_plain_number(double number, int digits, char text[CY_TIME_TEXT]) {
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), old = uselocale(plain);
  snprintf(text, CY_TIME_TEXT, "%.*g", digits, number);
  uselocale(old);
  if (plain) freelocale(plain);
  return text;
}

const char *cy_time_text(double seconds, bool calendar, char text[CY_TIME_TEXT]) {
  int64_t year, month, day;
  if (!calendar || !(fabs(seconds) < 1e11)) return cy_plain_number(seconds, 15, text);
  double days = floor(seconds / 86400), rest = seconds - days * 86400;
  date_of((int64_t)days, &year, &month, &day);
  int minutes = (int)(rest / 60);
  double left = rest - minutes * 60.0;
  size_t n = (size_t)snprintf(text, CY_TIME_TEXT, "%04d-%02d-%02d %02d:%02d", (int)year, (int)month, (int)day,
                              minutes / 60, minutes % 60);
  if (left > 0 && n < CY_TIME_TEXT) snprintf(text + n, CY_TIME_TEXT - n, ":%02d", (int)left);
  return text;
}
