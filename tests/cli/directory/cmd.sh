aecompress folder
aedecompress folder
