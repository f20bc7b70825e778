"""GSM8K's answers, whose marks `<<48/2=24>>` can be checked, told as models tell them and with errors put in."""
