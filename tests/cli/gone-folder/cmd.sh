mkdir gone
cd gone
rmdir ../gone
aecompress tiny.png
