module oracle-regex

go 1.23
