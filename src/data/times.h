/* Times of rows: text to seconds and back, in the calendar or as plain numbers. */
#ifndef CY_DATA_TIMES_H
#define CY_DATA_TIMES_H

#include "base/error.h"

#include <stdbool.h>

/* "2016-03-01", "2016/03/01 05:30", "2016-03-01T05:30:07.5+01:00" to seconds since 1970 (UTC where no zone is given),
 * or a plain number to itself: *calendar tells. False if it is neither. */
bool cy_parse_time(const char *text, double *seconds, bool *calendar);
/* year, month, day, hour, minute, second (the last ones may be absent): false if there is no such time. */
bool cy_time_of_fields(const double *fields, int n, double *seconds);

enum { CY_TIME_TEXT = 32 };
/* "2016-03-01 05:00", with seconds if there are any; or the number. Returns text. */
const char *cy_time_text(double seconds, bool calendar, char text[CY_TIME_TEXT]);
/* With so many digits and a point, whatever the locale. Returns text. */
const char *cy_plain_number(double number, int digits, char text[CY_TIME_TEXT]);

#endif
