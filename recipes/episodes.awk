# Episodes of polluted air: hours one after the other in which PM2.5 is above 75 ug/m3, three at least, of the stations of
# recipes/air.yaml. Each becomes a file, in a folder by season: heating (15 November to 15 March) or warm. Those that begin
# after February 2016 are the test part. Without TEMP and DEWP, which would tell the season by themselves.
#
#   mkdir -p episodes/train/heating episodes/train/warm episodes/test/heating episodes/test/warm
#   zcat air/*.csv.gz | tr -d '"' | awk -F, -v out=episodes -f recipes/episodes.awk

BEGIN { n_sensors = split("PM2.5 PM10 SO2 NO2 CO O3 WSPM", sensors, " ") }

function finish(   date, season, part, file, i) {
  if (n >= 3) {
    date = 100 * month + day
    season = date >= 1115 || date <= 315 ? "heating" : "warm"
    part = 100 * year + month >= 201603 ? "test" : "train"
    file = sprintf("%s/%s/%s/%05d.csv", out, part, season, ++written)
    for (i = 1; i <= n_sensors; i++) printf "%s%s", sensors[i], i < n_sensors ? "," : "\n" > file
    for (i = 1; i <= n; i++) print rows[i] > file
    close(file)
  }
  n = 0
}

$1 == "No" { # the head of the next station
  finish()
  for (i = 1; i <= NF; i++) column[$i] = i
  next
}

{
  row = ""
  missing = 0
  for (i = 1; i <= n_sensors; i++) {
    value = $column[sensors[i]]
    missing += value == "NA"
    row = row (i > 1 ? "," : "") value
  }
  if (missing || $column["PM2.5"] <= 75) { finish(); next }
  if (!n) { year = $column["year"]; month = $column["month"]; day = $column["day"] }
  rows[++n] = row
}

END { finish(); print written " episodes" }
