"""The command line: one small file per verb, loaded only when that verb is used."""
